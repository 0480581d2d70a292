import { run } from "../../../scripts/lib/shell.ts";
import { withTemporary } from "../../../scripts/lib/temporary.ts";

/** The process temporary.test.ts ends: a command in a temporary directory that goes on for as long as it is let. */
const [, , how = ""] = process.argv;
await withTemporary(async (directory) => {
  if (how === "throws") throw new Error("on purpose");
  await run(["sh", "-c", 'mkdir "$TMPDIR/dittofs-x" && echo $$ && if [ "$0" = waits ]; then exec sleep 10; fi; exit 3', how], { env: { TMPDIR: directory } });
});
