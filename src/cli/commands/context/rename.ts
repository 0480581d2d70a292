import { ExitStatus } from "../../ports.ts";
import { CommandFailure, type Verb, withContext, wrongContextName } from "../../remote/index.ts";
import { needContext, needName, shownContext } from "./rows.ts";

export const rename: Verb = {
  name: "rename",
  local: true,
  summary: "Give a context another name.",
  examples: ["dittofs context rename default work"],
  args: [{ name: "<old>", help: "its name so far" }, { name: "<new>", help: "its new name" }],
  async run(call) {
    const old = call.argument("old");
    const name = needName(call.argument("new"), wrongContextName(call.argument("new")));
    const after = await call.contexts.update((now) => {
      const saved = needContext(now, old);
      if (Object.hasOwn(now.contexts, name)) throw new CommandFailure(ExitStatus.conflict, `there is a context ${name} already`, `dittofs context remove ${name}`);
      return { ...withContext(withContext(now, old, null), name, saved), current: now.current === old ? name : now.current };
    });
    call.done(`renamed ${old} to ${name}`, shownContext(name, needContext(after, name), after.current));
  },
};
