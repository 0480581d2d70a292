import { processContext, runCli } from "#cli/index.ts";
import manifest from "../package.json" with { type: "json" };

/** Put in by the build (`scripts/build`); absent where the source runs as it is. */
declare const DITTOFS_COMMIT: string | undefined;

const context = processContext(
  { version: manifest.version, commit: typeof DITTOFS_COMMIT === "string" ? DITTOFS_COMMIT : "" },
  async () => (await import("#app/index.ts")).serverControl,
);
process.exit(await runCli(process.argv.slice(2), context));
