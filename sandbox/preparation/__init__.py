"""What is made once and then used at every start."""

from sandbox.preparation.keycloak import KeycloakDistribution, KeycloakState
from sandbox.preparation.litellm import LiteLLMEnvironment
from sandbox.preparation.piece import Piece
from sandbox.preparation.postgresql import PostgreSQLData

PIECES: tuple[type[Piece], ...] = (KeycloakDistribution, LiteLLMEnvironment, KeycloakState, PostgreSQLData)
"""The slowest first."""

__all__ = ["PIECES", "Piece"]
