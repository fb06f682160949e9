from typing import Any

class RunnerPlugin:
    make_runner: Any
