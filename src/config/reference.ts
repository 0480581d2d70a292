import { join } from "./fields.ts";
import { flatten } from "./flatten.ts";
import { type Fields, isDerived, type Option } from "./option.ts";
import { options } from "./options.ts";

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").trim();
}

function standard(option: Option<unknown>): string {
  if (isDerived(option.default)) return option.default.text;
  if (option.fields !== null) return "one share, `/export`, with the defaults below";
  const written = option.write(option.default);
  return written === '""' || written === "[]" ? "empty" : `\`${written}\``;
}

/** The reference page of the configuration, in Markdown. */
export function configReference(): string {
  const rows = flatten(options).map((named) => {
    const other = named.environment === null ? "the file alone" : `\`${named.environment}\`<br>${named.flag === null ? "no flag: it is a secret" : `\`${named.flag}\``}`;
    return `| \`${named.path}\` | ${cell(named.option.help)} | ${named.option.type}: ${cell(named.option.allowed)} | ${cell(standard(named.option))} | \`${cell(named.option.example)}\` | ${other} | ${named.option.since} |`;
  });
  return `# Configuration

<!-- Made by \`scripts/docs\` from src/config; edit the declarations there. -->

DittoFS needs no configuration: without any it serves one share, \`/export\`, to this machine alone. What you do want to
change goes into \`$XDG_CONFIG_HOME/dittofs/config.yaml\` (usually \`~/.config/dittofs/config.yaml\`), into a file named by
\`--config\` or \`DITTOFS_CONFIG\`, into environment variables or into flags. A flag wins over the environment, the environment
over the file, the file over the default. With \`--data-dir\` and no \`--config\` the usual file is not read.

- \`dittofs init\` writes the file with every option explained, \`dittofs config validate\` checks it, \`dittofs config show\`
  prints what is in force, \`dittofs config schema\` a JSON schema for editors.
- Sizes: \`512MB\`, \`10Gi\`, \`1GiB\`, or bytes; \`k M G T P\` count in thousands, \`Ki Mi Gi Ti Pi\` in 1024. Durations: \`200ms\`,
  \`30s\`, \`5m\`, \`1h30m\`.
- Lists are separated by commas in the environment; a flag may be given more than once.
- An unknown key or a bad value is an error that names the key, the file and the line, with exit status 2. An unknown
  variable that begins with \`DITTOFS_\` is a warning.

| key | meaning | allowed | default | example | environment, flag | since |
|---|---|---|---|---|---|---|
${rows.join("\n")}

## A share

Each item of \`shares\` has these keys; only \`name\` has to be given.

| key | meaning | allowed | default | example |
|---|---|---|---|---|
${shareRows().join("\n")}

\`\`\`yaml
shares:
  - name: /export
    allowed_clients: [127.0.0.1, 192.168.1.0/24]
  - name: /scratch
    metadata: {type: memory}
    blocks: {type: memory}
    squash: all_to_guest
\`\`\`
`;
}

function shareRows(): readonly string[] {
  const rows: string[] = [];
  const walk = (fields: Fields, path: string) => {
    for (const [key, field] of Object.entries(fields)) {
      const here = join(path, key);
      if (field.is === "section") walk(field.fields, here);
      else rows.push(`| \`${here}\` | ${cell(field.help)} | ${field.type}: ${cell(field.allowed)} | ${here === "name" ? "none: give one" : cell(standard(field))} | \`${cell(field.example)}\` |`);
    }
  };
  walk(options.shares.fields ?? {}, "");
  return rows;
}
