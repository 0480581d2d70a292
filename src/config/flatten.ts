import { join } from "./fields.ts";
import type { Fields, Option } from "./option.ts";

/** An option with the names it goes by everywhere. */
export interface Named {
  /** `adapters.nfs.port`. */
  readonly path: string;
  /** `DITTOFS_ADAPTERS_NFS_PORT`; null for what only the file can say. */
  readonly environment: string | null;
  /** `--nfs-port`; null for secrets and for what only the file can say. */
  readonly flag: string | null;
  readonly option: Option<unknown>;
}

export function environmentName(path: string): string {
  return `DITTOFS_${path.toUpperCase().replaceAll(".", "_")}`;
}

function flagName(path: string): string {
  return `--${path.replace(/^adapters\./, "").replaceAll(/[._]/g, "-")}`;
}

/** Every option of a declaration with its names, in order. */
export function flatten(fields: Fields, path = ""): readonly Named[] {
  return Object.entries(fields).flatMap(([key, field]): readonly Named[] => {
    const here = join(path, key);
    if (field.is === "section") return flatten(field.fields, here);
    const option: Option<unknown> = field;
    const fileOnly = option.flag === null;
    const flag = fileOnly || option.secret ? null : (option.flag ?? flagName(here));
    return [{ path: here, environment: fileOnly ? null : environmentName(here), flag, option }];
  });
}
