import type { TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { type AnyRoute, none } from "#api/contract/route.ts";
import type { FieldError } from "#control/errors.ts";
import { readJson, refuseBody } from "./body.ts";
import { fieldErrors, fromQuery } from "./fields.ts";
import { Refusal } from "./refusal.ts";

function refuse(what: string, fields: readonly FieldError[]): never {
  throw new Refusal("invalid_request", `${what}: ${fields.length === 1 ? `${fields[0]?.field || "the body"} ${fields[0]?.message}.` : `${fields.length} fields are wrong.`}`, { fields });
}

/** Compiled when it is first needed: a server has many routes and uses few of them at once. */
class Check {
  private readonly schema: TSchema;
  private compiled: TypeCheck<TSchema> | null = null;

  constructor(schema: TSchema) {
    this.schema = schema;
  }

  run(what: string, value: unknown): void {
    this.compiled ??= TypeCompiler.Compile(this.schema);
    if (!this.compiled.Check(value)) refuse(what, fieldErrors(this.compiled.Errors(value)));
  }
}

/** What of a request has to be as its route declares. */
export class RouteChecks {
  private readonly route: AnyRoute;
  private readonly params: Check;
  private readonly query: Check;
  private readonly body: Check | null;

  constructor(route: AnyRoute) {
    this.route = route;
    this.params = new Check(route.params);
    this.query = new Check(route.query);
    this.body = route.body === none ? null : new Check(route.body);
  }

  /** A parameter that could not be decoded comes as null, and is refused like any other wrong one. */
  paramsOf(raw: Record<string, unknown>): unknown {
    this.params.run("The path is wrong", raw);
    return raw;
  }

  queryOf(text: string): unknown {
    const { value, errors } = fromQuery(this.route.query, text);
    if (errors.length > 0) refuse("The query is wrong", errors);
    this.query.run("The query is wrong", value);
    return value;
  }

  async bodyOf(request: Request): Promise<unknown> {
    if (this.body === null) {
      refuseBody(request);
      return undefined;
    }
    const value = await readJson(request);
    this.body.run("The body is wrong", value);
    return value;
  }
}
