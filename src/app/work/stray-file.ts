import { readFileSync, rmSync } from "node:fs";
import type { StrayMarks, StrayMemory } from "#cache/index.ts";
import type { Logger } from "#telemetry/logger.ts";
import { replaceFile } from "../process/durable-files.ts";

/** The file in a share's directory that says since when objects of its block store are known to belong to nobody. */
export const strayFile = "strays.json";
const formatVersion = 1;
/** Most objects that are kept: what is past that is found again. */
const keptMax = 50_000;

/** The marks in a file, which nobody else writes meanwhile. */
export class StrayFile implements StrayMemory {
  private readonly path: string;
  private readonly logger: Logger;

  constructor(path: string, logger: Logger) {
    this.path = path;
    this.logger = logger;
  }

  load(): StrayMarks {
    try {
      const { version, seen } = JSON.parse(readFileSync(this.path, "utf8")) as { readonly version: number; readonly seen: Readonly<Record<string, number>> };
      // Marks that can't be trusted would let an object go before its time.
      return version === formatVersion ? new Map(Object.entries(seen).filter(([, sec]) => Number.isSafeInteger(sec))) : new Map();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.logger.warn({ error, path: this.path }, "since when objects belong to nobody can't be read; their grace begins anew");
      return new Map();
    }
  }

  save(marks: StrayMarks): void {
    try {
      if (marks.size === 0) rmSync(this.path, { force: true });
      else replaceFile(this.path, `${JSON.stringify({ version: formatVersion, seen: Object.fromEntries([...marks].slice(0, keptMax)) })}\n`);
    } catch (error) {
      this.logger.warn({ error, path: this.path }, "since when objects belong to nobody can't be kept");
    }
  }
}
