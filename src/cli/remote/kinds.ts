import type { AnyRoute, Reply } from "#api/contract/index.ts";
import type { Column } from "./print.ts";
import type { Flag, Verb } from "./verb.ts";

/** The kinds most commands are of. What a kind needs is typed by its route. */

type About<R extends AnyRoute> = Omit<Verb, "run" | "route" | "name" | "confirm"> & { readonly route: R; readonly name?: string };
/** What a list is of. */
export type Item<R extends AnyRoute> = Reply<R>["items"][number];

const sortFlag: Flag = { flags: "--sort <field>", help: "the field to sort by; with a minus in front, the other way round", field: "sort" };

/** All items, page after page. */
export function lists<R extends AnyRoute>(about: About<R>, columns: readonly Column<Item<R>>[]): Verb {
  const flags = [...(about.flags ?? []), ...("sort" in about.route.query.properties ? [sortFlag] : [])];
  return {
    name: "list",
    ...about,
    flags,
    async run(call) {
      call.list(await call.session().all(about.route, { params: call.params(), query: await call.fields() }), columns);
    },
  };
}

/** One object. */
export function shows<R extends AnyRoute>(about: About<R>): Verb {
  return {
    name: "show",
    ...(about.name === undefined ? { aliases: ["get"] } : {}),
    ...about,
    async run(call) {
      call.show((await call.session().call(about.route, { params: call.params(), query: await call.fields() })) as object);
    },
  };
}

/** Makes one, and says so. */
export function creates<R extends AnyRoute>(about: About<R>, said: (made: Reply<R>) => string): Verb {
  return {
    name: "create",
    ...about,
    async run(call) {
      const made = await call.session().call(about.route, { params: call.params(), body: await call.fields() });
      call.done(said(made), made);
    },
  };
}

/** Changes the fields that flags were given for, and says so. */
export function changes<R extends AnyRoute>(about: About<R>, said: (changed: Reply<R>) => string): Verb {
  return {
    name: "edit",
    ...about,
    async run(call) {
      const changed = await call.session().call(about.route, { params: call.params(), body: await call.changes() });
      call.done(said(changed), changed);
    },
  };
}

/** Removes one, after it was asked. `what` and the argument's name make the question: "Delete the user alice?" */
export function removes<R extends AnyRoute>(about: About<R>, what: string, argument: string, loses = ""): Verb {
  return {
    name: "delete",
    aliases: ["remove"],
    ...about,
    confirm: (call) => `Delete the ${what} ${call.argument(argument)}?${loses === "" ? "" : ` ${loses}`}`,
    async run(call) {
      await call.session().call(about.route, { params: call.params(), query: await call.fields() });
      call.done(`deleted the ${what} ${call.argument(argument)}`);
    },
  };
}
