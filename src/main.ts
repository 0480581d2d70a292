import { writeSync } from "node:fs";
import { runCli } from "#cli/index.ts";
import manifest from "../package.json" with { type: "json" };

/** Put in by the build (`scripts/build`); absent where the source runs as it is. */
declare const DITTOFS_COMMIT: string | undefined;

/** Writes at once, so that nothing is lost at the exit; a reader that went away (a closed pipe) is no error of ours. */
function write(fd: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}

const status = await runCli(process.argv.slice(2), {
  terminal: { out: (text) => write(1, text), err: (text) => write(2, text) },
  version: { version: manifest.version, commit: typeof DITTOFS_COMMIT === "string" ? DITTOFS_COMMIT : "" },
  server: async () => (await import("#app/index.ts")).serverControl,
});
process.exit(status);
