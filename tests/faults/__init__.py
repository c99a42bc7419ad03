"""What clusters do to a run, as tests: every one starts `evalsuite run` and breaks something under it."""
