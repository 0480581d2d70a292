import { join } from "./fields.ts";
import { environmentName } from "./flatten.ts";
import { type Fields, isDerived, type Option } from "./option.ts";
import { options } from "./options.ts";

const width = 118;

/** Text as comment lines no longer than a line should be. */
function comment(text: string, indent: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + word.length + 3 > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].map((one) => `${indent}# ${one}\n`).join("");
}

/**
 * A configuration file with every option explained and commented out at its default, so that the file as it stands means
 * exactly the defaults, and a default that changes in a later release is taken.
 */
export function configTemplate(): string {
  return `# DittoFS configuration. Every option is shown at its default and commented out; take the # away to change one.
# Flags and environment variables (named beside each option) win over this file.
# Sizes: 512MB, 10Gi, 1048576. Durations: 200ms, 30s, 5m.
${fieldsTemplate(options, "", "")}`;
}

function fieldsTemplate(fields: Fields, path: string, indent: string): string {
  let out = "";
  for (const [key, field] of Object.entries(fields)) {
    const here = join(path, key);
    out += "\n";
    if (field.is === "section") {
      out += comment(field.help, indent) + `${indent}${key}:${fieldsTemplate(field.fields, here, `${indent}  `).replace(/^\n?/, "\n")}`;
    } else if (field.fields !== null) {
      out += comment(field.help, indent) + recordsTemplate(key, field.fields, indent);
    } else {
      const option: Option<unknown> = field;
      out += comment(`${option.help} Allowed: ${option.allowed}. Environment: ${environmentName(here)}${option.secret ? ", and no flag: it is a secret" : ""}.`, indent);
      out += isDerived(option.default)
        ? `${indent}# Default: ${option.default.text}.\n${indent}# ${key}: ${option.example}\n`
        : `${indent}# ${key}: ${option.write(option.default)}\n`;
    }
  }
  return out;
}

/** A list of records: the item that stands for the default, commented out as one block. */
function recordsTemplate(key: string, fields: Fields, indent: string): string {
  const block = `${key}:\n${itemTemplate(fields, "    ").replace(/^( *)  (\w+:)/m, "$1- $2")}`;
  return block.replaceAll(/^(.+)$/gm, `${indent}# $1`);
}

function itemTemplate(fields: Fields, indent: string): string {
  let out = "";
  for (const [key, field] of Object.entries(fields)) {
    if (field.is === "section") {
      out += `${comment(field.help, indent)}${indent}${key}:\n${itemTemplate(field.fields, `${indent}  `)}`;
      continue;
    }
    const option: Option<unknown> = field;
    out += comment(`${option.help} Allowed: ${option.allowed}.`, indent);
    if (isDerived(option.default)) out += `${indent}# Default: ${option.default.text}.\n`;
    const left = isDerived(option.default) || (option.default === "" && indent.length > 4);
    out += left ? `${indent}# ${key}: ${option.example}\n` : `${indent}${key}: ${option.default === "" ? option.example : option.write(option.default)}\n`;
  }
  return out;
}
