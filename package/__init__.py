"""bptt: recurrent networks written as equations, differentiated and compiled.

Three packages, each of which imports only those before it:

    bptt.graph      what a network means
    bptt.compiler   how it is run fast
    bptt.rnn        what people use
"""

__version__ = "0.1.0"
