/** The declaration's camelCase as the name of a column in SQL. */
export function columnName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The name of the index over one column. */
export function indexName(table: string, column: string): string {
  return `${table}_${columnName(column)}_index`;
}
