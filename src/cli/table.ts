/** A column narrower than this says too little to be cut further. */
const cellWidthMin = 8;
const gap = "  ";

/** Rows as aligned columns. With `columns` given, the widest cells are cut so that no line is wider. */
export function table(rows: readonly (readonly string[])[], columns: number | null = null): string {
  const cells = rows.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of cells) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, Bun.stringWidth(cell))));
  if (columns !== null) narrow(widths, columns);
  const last = (row: readonly string[]) => row.length - 1;
  return cells.map((row) => `${row.map((cell, i) => fit(cell, widths[i] ?? 0, i < last(row))).join(gap).trimEnd()}\n`).join("");
}

/** Takes from the widest, column by column, until the whole fits or all are at their least. */
function narrow(widths: number[], columns: number): void {
  for (let i = 0; i < widths.length; i++) widths[i] = Math.min(widths[i] ?? 0, columns);
  let over = widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1)) - columns;
  for (; over > 0; over--) {
    const widest = Math.max(...widths, 0);
    if (widest <= cellWidthMin) return;
    widths[widths.indexOf(widest)] = widest - 1;
  }
}

/** A cell cut to `width` columns, and filled up to it where it is to be padded. */
export function fit(cell: string, width: number, pad: boolean): string {
  let shown = cell;
  if (Bun.stringWidth(cell) > width) {
    const characters = [...cell];
    while (characters.length > 0 && Bun.stringWidth(characters.join("")) > width - 1) characters.pop();
    shown = `${characters.join("")}…`;
  }
  return pad ? shown + " ".repeat(Math.max(0, width - Bun.stringWidth(shown))) : shown;
}

/** Names come from others: none may forge a line or speak to the terminal. Control characters become their pictures (U+2400). */
export function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
  });
}
