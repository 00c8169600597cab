// Models for a simulation a clock cycle at a time, where Yosys' own are of no use.

// An SB_IO. All that it does in a cycle depends on the values at the cycle's end, so what the
// falling edge in the middle takes in (of `i_mid`) is there at once, and stays for as long as no
// edge comes.
module PAD(input i, i_mid, output o, o0, o1, oe,
           input LATCH_INPUT_VALUE, CLOCK_ENABLE = 1, INPUT_CLK, OUTPUT_CLK, OUTPUT_ENABLE,
           input D_OUT_0, D_OUT_1, output D_IN_0, D_IN_1);
    parameter [5:0] PIN_TYPE = 0;

    reg in_0 = 0, in_1 = 0, in_enable = 0;
    always @(posedge INPUT_CLK) begin
        in_enable <= CLOCK_ENABLE;
        if (CLOCK_ENABLE) in_0 <= i;
        in_1 <= D_IN_1;
    end
    assign D_IN_0 = PIN_TYPE[0] ? i : in_0;
    assign D_IN_1 = in_enable ? i_mid : in_1;

    reg out_0 = 0, out_1 = 0, out_enable = 0, enabled = 0;
    always @(posedge OUTPUT_CLK) begin
        out_enable <= CLOCK_ENABLE;
        if (CLOCK_ENABLE) out_0 <= D_OUT_0;
        if (CLOCK_ENABLE) enabled <= OUTPUT_ENABLE;
        out_1 <= o1;
    end
    assign o  = !PIN_TYPE[3] ? out_0 : PIN_TYPE[2] ? !out_0 : D_OUT_0;
    assign o0 = out_0;
    assign o1 = out_enable ? D_OUT_1 : out_1;
    assign oe = PIN_TYPE[4] && PIN_TYPE[5] ? enabled : OUTPUT_ENABLE;
endmodule

// An SB_SPRAM256KA that starts with zeros, and forgets nothing when it sleeps.
module SPRAM(input [13:0] ADDRESS, input [15:0] DATAIN, input [3:0] MASKWREN,
             input WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF, output reg [15:0] DATAOUT);
    reg [15:0] words [0:16383];
    wire on = CHIPSELECT && !STANDBY && !SLEEP && POWEROFF;
    integer bit;
    always @(posedge CLOCK) begin
        if (on && !WREN) DATAOUT <= words[ADDRESS];
        if (on && WREN) begin
            DATAOUT <= 16'bx;
            for (bit = 0; bit < 16; bit = bit + 1)
                if (MASKWREN[bit / 4]) words[ADDRESS][bit] <= DATAIN[bit];
        end
    end
endmodule

// Its output is the clock of the simulation, whatever its frequency.
module PLL(input CLOCK, output PLLOUT_A, PLLOUT_A_GLOBAL, LOCK, SDO);
    assign {PLLOUT_A, PLLOUT_A_GLOBAL, LOCK, SDO} = {CLOCK, CLOCK, 2'b10};
endmodule

// Nothing that a port is connected to floats: === 1'bz does not hold.
(* techmap_celltype = "$eqx" *)
module never(A, B, Y);
    parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
    input [A_WIDTH-1:0] A;
    input [B_WIDTH-1:0] B;
    output [Y_WIDTH-1:0] Y;
    assign Y = 0;
endmodule
