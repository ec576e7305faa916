"""The older interface's schema, for a library that is loaded with the first request (§8)."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLSchema,
    GraphQLSkipDirective,
    OperationType,
    build_schema,
    get_operation_ast,
    graphql,
    parse,
    subscribe,
    validate,
)

SDL = """
scalar DateTime

type Query {
  getUser: User
  getUserTeams: UserTeams
  getExperimentId(experimentName: String!, username: String): ExperimentId
  getExperimentDetails(experimentId: ID!): ExperimentDetails
  getBuildLogs(experimentId: ID!, start: DateTime, stop: DateTime): [LogLine]
  getExperimentLogs(experimentId: ID!, start: DateTime, stop: DateTime): ExperimentLogs
}

type Subscription {
  getLiveBuildLogs(experimentId: ID!, tailLines: Int): [LogLine]
  getLiveExperimentLogs(experimentId: ID!, limit: Int): [LogLine]
}

type User {
  userId: ID
  username: String
  firstName: String
  lastName: String
  email: String
  isVerified: Boolean
  completedSignup: Boolean
  isBlocked: Boolean
}

type UserTeams {
  success: Boolean
  message: String
  teams: [Team]
}

type Team {
  id: ID
  name: String
  createdAt: DateTime
  role: String
  members: [Member]
}

type Member {
  id: ID
  username: String
  firstName: String
  lastName: String
}

type ExperimentId {
  success: Boolean
  message: String
  experimentId: ID
}

type ExperimentDetails {
  experimentId: ID
  name: String
  status: String
  desiredState: String
  githubId: String
  commitSha: String
  entrypoint: String
  invocationCommands: String
  createdAt: DateTime
  startedRunningAt: DateTime
  finishedAt: DateTime
  run: Run
  parameters: [Parameter]
}

type Run {
  runId: ID
  name: String
}

type Parameter {
  name: String
  value: String
}

type LogLine {
  message: String
  timestamp: DateTime
}

type ExperimentLogs {
  success: Boolean
  message: String
  lines: [LogLine]
}
"""


def _schema() -> GraphQLSchema:
    # Older clients do not know where the newest directives may stand.
    made = build_schema(SDL)
    return GraphQLSchema(
        query=made.query_type,
        subscription=made.subscription_type,
        types=list(made.type_map.values()),
        directives=(GraphQLIncludeDirective, GraphQLSkipDirective),
    )


_SCHEMA = _schema()


async def answer(root: Any, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Answer a query; failures are part of the answer."""
    return dict((await graphql(_SCHEMA, query, root, variable_values=variables)).formatted)


async def follow(
    root: Any, query: str, variables: dict[str, Any]
) -> AsyncGenerator[dict[str, Any], None] | list[dict[str, Any]]:
    """Begin a subscription; return what it yields, or what is wrong with it.

    A query is taken too: clients send their first ones over the same connection.
    """
    try:
        document = parse(query)
    except GraphQLError as error:
        return [dict(error.formatted)]
    if wrong := validate(_SCHEMA, document):
        return [dict(error.formatted) for error in wrong]
    operation = get_operation_ast(document)
    if operation is None or operation.operation is not OperationType.SUBSCRIPTION:

        async def once() -> AsyncGenerator[dict[str, Any], None]:
            yield await answer(root, query, variables)

        return once()
    found: Any = subscribe(_SCHEMA, document, root, variable_values=variables)
    if inspect.isawaitable(found):
        found = await found
    if isinstance(found, ExecutionResult):
        return [dict(error.formatted) for error in found.errors or ()]

    async def results() -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(found) as stream:
            async for result in stream:
                yield dict(result.formatted)

    return results()
