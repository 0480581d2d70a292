/**
 * Splits TypeScript into what is code, what is comment and what is string, without a parser: each view has the length and the
 * lines of the original, with everything else as spaces. Quotes stay in the code view, so that a string can be found there and
 * read in the original.
 */
export interface Views {
  readonly code: string;
  readonly comments: string;
}

const keywordBeforeRegExp = /(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield)$/;

/** Whether a `/` after this code begins a regular expression rather than a division. */
function beginsRegExp(before: string): boolean {
  const text = before.trimEnd();
  const last = text.at(-1);
  if (last === undefined) return true;
  if (/[\w$]/.test(last)) return keywordBeforeRegExp.test(text.slice(-12));
  return !/[)\]}"'`]/.test(last);
}

function endOfString(text: string, start: number, quote: string): number {
  let i = start + 1;
  while (i < text.length && text[i] !== quote && text[i] !== "\n") i += text[i] === "\\" ? 2 : 1;
  return i;
}

function endOfRegExp(text: string, start: number): number {
  let inClass = false;
  let i = start + 1;
  for (; i < text.length && text[i] !== "\n" && (inClass || text[i] !== "/"); i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "[") inClass = true;
    else if (text[i] === "]") inClass = false;
  }
  return i;
}

class Splitter {
  readonly text: string;
  code = "";
  comments = "";
  i = 0;
  /** Depth of braces at which each template literal that is open continues. */
  readonly templates: number[] = [];
  depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  put(end: number, into: "code" | "comments" | "neither"): void {
    const part = this.text.slice(this.i, end);
    const blank = part.replace(/[^\n]/g, " ");
    this.code += into === "code" ? part : blank;
    this.comments += into === "comments" ? part : blank;
    this.i = Math.min(end, this.text.length);
  }

  /** The inside of a template literal up to its end or the next `${`. */
  template(): void {
    let end = this.i;
    while (end < this.text.length && this.text[end] !== "`" && !this.text.startsWith("${", end)) end += this.text[end] === "\\" ? 2 : 1;
    this.put(end, "neither");
    if (this.text[this.i] === "`") return this.put(this.i + 1, "code");
    this.templates.push(this.depth++);
    this.put(this.i + 2, "code");
  }

  step(): void {
    const c = this.text[this.i] as string;
    const two = this.text.slice(this.i, this.i + 2);
    if (two === "//") {
      const end = this.text.indexOf("\n", this.i);
      this.put(end === -1 ? this.text.length : end, "comments");
    } else if (two === "/*") {
      const end = this.text.indexOf("*/", this.i + 2);
      this.put(end === -1 ? this.text.length : end + 2, "comments");
    } else if (c === '"' || c === "'") {
      const end = endOfString(this.text, this.i, c);
      this.put(this.i + 1, "code");
      this.put(end, "neither");
      this.put(end + 1, "code");
    } else if (c === "`") {
      this.put(this.i + 1, "code");
      this.template();
    } else if (c === "/" && beginsRegExp(this.code)) {
      this.put(endOfRegExp(this.text, this.i) + 1, "neither");
    } else {
      if (c === "{") this.depth++;
      if (c === "}") this.depth--;
      this.put(this.i + 1, "code");
      if (c === "}" && this.templates.at(-1) === this.depth) {
        this.templates.pop();
        this.template();
      }
    }
  }
}

const cache = new Map<string, Views>();

export function views(text: string): Views {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const splitter = new Splitter(text);
  while (splitter.i < text.length) splitter.step();
  const made = { code: splitter.code, comments: splitter.comments };
  cache.set(text, made);
  return made;
}

export const codeOf = (text: string): string => views(text).code;
export const commentsOf = (text: string): string => views(text).comments;
