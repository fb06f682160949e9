"""The stand-in for Lago."""

from sandbox.services.modules import ModuleService
from sandbox.services.ops_center import OpsCenter
from sandbox.services.postgresql import OWNER, PostgreSQL


class Lago(ModuleService):
    """The stand-in, with its state in the database `lago`; it creates its tables when it starts."""

    name = "lago"
    version = "stand-in"
    module = "sandbox.lago"
    needs = ("postgresql",)
    health_path = "/health"

    def environment(self) -> dict[str, str]:
        """Return its database, its API key and its clock."""
        return {
            "LAGO_DATABASE_URL": PostgreSQL(self.layout).database_url(OWNER, "lago"),
            "LAGO_API_KEY": self.layout.credentials.lago_api_key,
            "LAGO_CLOCK": str(OpsCenter(self.layout).clock),
        }

    def target(self) -> dict[str, str]:
        """Return its address and key."""
        return {"LAGO_API_URL": self.url, "LAGO_API_KEY": self.layout.credentials.lago_api_key}
