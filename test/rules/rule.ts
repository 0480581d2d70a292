/** One file of the project, path relative to its root with forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A rule that every file keeps. `check` gives one sentence a violation, each beginning with `path:line` or `path`. */
export interface Rule {
  readonly name: string;
  check(files: readonly SourceFile[]): readonly string[];
  /** Sets of files that each break the rule: what proves that the alarm works. */
  readonly canaries: readonly (readonly SourceFile[])[];
  /** Sets of files that look like violations and are none. */
  readonly innocents: readonly (readonly SourceFile[])[];
}

/** A made-up file for canaries. */
export function planted(path: string, text: string): SourceFile {
  return { path, text };
}

export function lineOf(text: string, index: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i !== -1 && i < index; i = text.indexOf("\n", i + 1)) line++;
  return line;
}

export function isTypeScript(path: string): boolean {
  return path.endsWith(".ts") || path.endsWith(".tsx");
}

/** The folder under `src/` a file lies in, `main.ts` for the file of that name, null outside `src/`. */
export function layerOf(path: string): string | null {
  const parts = path.split("/");
  return parts[0] === "src" ? (parts[1] ?? null) : null;
}

/** A rule of one regular expression over the code of the files `applies` chooses. */
export function everyMatch(
  files: readonly SourceFile[],
  applies: (path: string) => boolean,
  view: (text: string) => string,
  pattern: RegExp,
  sentence: (found: string, path: string) => string,
): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (!applies(file.path)) continue;
    const text = view(file.text);
    for (const match of text.matchAll(pattern)) {
      found.push(`${file.path}:${lineOf(text, match.index)}: ${sentence(match[0].trim(), file.path)}`);
    }
  }
  return found;
}
