"""The pieces that are made once and used at every start."""

from sandbox.preparation.keycloak import KeycloakDistribution, KeycloakState
from sandbox.preparation.litellm import LiteLLMEnvironment
from sandbox.preparation.piece import Piece
from sandbox.preparation.postgresql import PostgreSQLData
from sandbox.preparation.redis import RedisProgram

PIECES: tuple[type[Piece], ...] = (
    KeycloakDistribution,
    LiteLLMEnvironment,
    KeycloakState,
    PostgreSQLData,
    RedisProgram,
)
"""The pieces, the slowest first."""

__all__ = ["PIECES", "Piece"]
