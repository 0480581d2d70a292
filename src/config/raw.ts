/** What was written, before anybody judged it: a value with the place it stands at, so that every complaint can name it. */
export type Raw =
  | { readonly is: "scalar"; readonly at: Place; readonly value: string | number | boolean | null }
  | { readonly is: "list"; readonly at: Place; readonly items: readonly Raw[] }
  | { readonly is: "map"; readonly at: Place; readonly entries: readonly RawEntry[] };

export interface RawEntry {
  readonly key: string;
  readonly at: Place;
  readonly value: Raw;
}

/** `config.yaml:12`, `the environment variable DITTOFS_CACHE_SIZE`, `the flag --nfs-port`. */
export type Place = string;

/** Something an operator has to put right. */
export interface Problem {
  readonly at: Place;
  /** The option's path, "" where the complaint is about the file itself. */
  readonly key: string;
  /** What is wrong, what is allowed, what was probably meant. */
  readonly message: string;
}

/** `config.yaml:12: adapters.nfs.port: …`. */
export function describeProblem(problem: Problem): string {
  const named = problem.key !== "" && !problem.message.startsWith(problem.key);
  return `${problem.at}: ${named ? `${problem.key}: ` : ""}${problem.message}`;
}

/** How a value reads in a complaint. */
export function describeRaw(raw: Raw): string {
  if (raw.is === "scalar") return raw.value === null ? "nothing" : JSON.stringify(raw.value).slice(0, 120);
  return raw.is === "list" ? "a list" : "a mapping";
}
