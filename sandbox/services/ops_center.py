"""The reference Ops-Center."""

from pathlib import Path

from sandbox.ports import HOST
from sandbox.services.keycloak import CLIENT, REALM
from sandbox.services.modules import ModuleService
from sandbox.services.postgresql import OWNER, PostgreSQL
from sandbox.services.redis import Redis


class OpsCenter(ModuleService):
    """The reference; it creates its tables in `unicorn_db` when it starts. Other services may start later."""

    name = "ops-center"
    version = "reference"
    module = "sandbox.ops_center"
    needs = ("postgresql", "redis")
    health_path = "/api/v1/system/status"

    def environment(self) -> dict[str, str]:
        """Return the addresses of the other services, and its secrets."""
        credentials = self.layout.credentials
        return {
            "OPS_DATABASE_URL": PostgreSQL(self.layout).database_url(OWNER, "unicorn_db"),
            "OPS_REDIS_URL": Redis(self.layout).url,
            "OPS_KEYCLOAK_URL": self.layout.url("keycloak"),
            "OPS_KEYCLOAK_REALM": REALM,
            "OPS_KEYCLOAK_ISSUER": f"{self.layout.url('keycloak')}/realms/{REALM}",
            "OPS_KEYCLOAK_KEYS_SECONDS": "3",
            "OPS_KEYCLOAK_AUDIENCE": CLIENT,
            "OPS_LITELLM_URL": self.layout.url("litellm"),
            "OPS_LITELLM_KEY": credentials.litellm_master_key,
            "OPS_LAGO_URL": self.layout.url("lago"),
            "OPS_LAGO_KEY": credentials.lago_api_key,
            "OPS_BYOK_SECRET": credentials.byok_secret,
            "OPS_PUBLIC_URL": self.url,
            "OPS_TIER_SECONDS": "1",
            "OPS_CLOCK": str(self.clock),
        }

    def target(self) -> dict[str, str]:
        """Return its address, the file of its clock, and that it may be put under load."""
        return {"OPS_CENTER_URL": self.url, "OPS_CENTER_CLOCK": str(self.clock), "ALLOW_LOAD": HOST}

    @property
    def clock(self) -> Path:
        """The file of the sandbox's clock, which Lago shares."""
        return self.folder / "clock"
