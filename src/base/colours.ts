/**
 * Whether what is written somewhere has colours: on a terminal that knows them, unless whoever is at it wants none. A variable NO_COLOR that is not
 * empty says so, whatever is in it (https://no-color.org).
 */
export function coloursFor(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): boolean {
  return isTerminal && !environment["NO_COLOR"] && environment["TERM"] !== "dumb";
}
