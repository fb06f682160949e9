Feature: Every service fails in every way

  Scenario Outline: <service> <way>
    When <service> is asked and <way>

    Examples: Ops-Center, Keycloak, Lago, LiteLLM and the provider
      | service    | way                   |
      | Ops-Center | refuses connections   |
      | Ops-Center | refuses who asks      |
      | Ops-Center | breaks                |
      | Ops-Center | answers garbage       |
      | Keycloak   | refuses connections   |
      | Keycloak   | refuses who asks      |
      | Keycloak   | breaks                |
      | Keycloak   | answers garbage       |
      | Lago       | refuses connections   |
      | Lago       | refuses who asks      |
      | Lago       | breaks                |
      | Lago       | answers garbage       |
      | LiteLLM    | refuses connections   |
      | LiteLLM    | refuses who asks      |
      | LiteLLM    | breaks                |
      | LiteLLM    | answers garbage       |
      | Provider   | refuses connections   |
      | Provider   | refuses who asks      |
      | Provider   | breaks                |
      | Provider   | answers garbage       |

    Examples: PostgreSQL and Redis
      | service    | way                   |
      | PostgreSQL | refuses connections   |
      | PostgreSQL | refuses who asks      |
      | PostgreSQL | answers garbage       |
      | Redis      | refuses connections   |
      | Redis      | refuses who asks      |
      | Redis      | answers garbage       |
