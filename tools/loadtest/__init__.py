"""A load tester that plays real speech to a server in real time and judges what comes back.

It is a client like any other: it speaks the WebSocket API, shares no code with the server, and so
can be pointed at any server of the same contract.

    cli        options in, exit status out
    clips      audio files and their transcripts
    schedule   when what is to be sent: pure
    stream     one connection; runner: all of them
    messages   what a server says: pure
    dialects   what servers of other kinds say, and want to hear: pure
    ledger     what that means, message by message: pure
    tally      what all streams measured
    verdict    the bounds, and by how much they are missed: pure
    report     the table and the JSON document; plot: the picture
"""
