class Captured:
    def __init__(self, stdout: str = ..., stderr: str = ..., log: str = ..., name: str | None = ...) -> None: ...

class ManyCaptured:
    stdout: str
    stderr: str
    log: str
    output: str
