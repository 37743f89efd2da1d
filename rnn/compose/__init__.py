"""Cells of cells: stacks, both directions, residual connections, encoder and decoder. All work on the equations.

    rnn.stack(rnn.residual(rnn.bidirectional(rnn.lstm)), 3)        # a stacked bidirectional LSTM, residual

What is composed is a cell like any: its equations can be printed and read, its sizes are open, names carry the layer
(h_1, W_f_2), the direction (h_fw, h_bw) or the side (h_enc, h_dec) that they belong to. What is a cell's input, its
hidden output and its output layer is read off its equations (``parts.py``); ``input=`` and ``output=`` say it
where they do not show it. The output layer and the loss are those of the last cell.
"""
