import pretty from "pino-pretty";

/** Gives what turns a line of JSON into text as people read it. */
export function textOf(colours: boolean): (line: string) => string {
  const format = pretty.prettyFactory({
    colorize: colours,
    colorizeObjects: colours,
    translateTime: "SYS:yyyy-mm-dd HH:MM:ss.l",
    singleLine: true,
    errorLikeObjectKeys: ["err", "error"],
  });
  return (line) => {
    const formatted: string | undefined = format(visible(JSON.parse(line), ""));
    return formatted ?? "";
  };
}

/** A name a client chose must not forge a line or speak to the terminal: control characters become their pictures (U+2400). */
function visible(value: unknown, key: string): unknown {
  if (typeof value === "string") return value.replaceAll(key === "stack" ? controlsButNewline : controls, picture);
  if (Array.isArray(value)) return value.map((one) => visible(one, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [visible(name, ""), visible(inner, name)]));
}

const controls = /[\u0000-\u001f\u007f-\u009f]/g;
const controlsButNewline = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;

function picture(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
}
