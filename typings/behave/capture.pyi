class ManyCaptured:
    stdout: str
    stderr: str
    log: str
    output: str
