"""The training recipe of the bundled acoustic model: prepare, align, train, evaluate, export."""
