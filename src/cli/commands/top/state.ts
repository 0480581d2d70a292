import { views } from "./views.ts";

/** What the person at the terminal has chosen. */
export interface State {
  readonly view: number;
  /** Of each view. */
  readonly sorts: readonly { readonly column: number; readonly reversed: boolean }[];
  readonly filter: string;
  /** The filter is being typed. */
  readonly typing: boolean;
  readonly paused: boolean;
  /** Rows that are above the first shown. */
  readonly scrolled: number;
  readonly done: boolean;
}

export const begin: State = {
  view: 0,
  sorts: views.map(({ sortedBy }) => ({ column: sortedBy, reversed: false })),
  filter: "",
  typing: false,
  paused: false,
  scrolled: 0,
  done: false,
};

const key = { up: "\u001b[A", down: "\u001b[B", right: "\u001b[C", left: "\u001b[D", pageUp: "\u001b[5~", pageDown: "\u001b[6~", backTab: "\u001b[Z", escape: "\u001b", interrupt: "\u0003", endOfInput: "\u0004", erase: "\u007f", backspace: "\b", eraseAll: "\u0015", enter: "\r" } as const;
const pageRows = 10;
const filterLengthMax = 64;

export const help = "q quit  Tab view  < > sort  r reverse  / filter  p pause  arrows scroll";

/** What becomes of it by a key. */
export function pressed(state: State, pressedKey: string): State {
  if (pressedKey === key.interrupt) return { ...state, done: true };
  if (state.typing) return typed(state, pressedKey);
  switch (pressedKey) {
    case "q":
    case "Q":
    case key.endOfInput:
      return { ...state, done: true };
    case "\t":
      return shown(state, state.view + 1);
    case key.backTab:
      return shown(state, state.view - 1);
    case "1":
    case "2":
    case "3":
      return shown(state, Number(pressedKey) - 1);
    case ">":
    case key.right:
      return sortedBy(state, 1);
    case "<":
    case key.left:
      return sortedBy(state, -1);
    case "r":
      return { ...state, sorts: state.sorts.map((sort, i) => (i === state.view ? { ...sort, reversed: !sort.reversed } : sort)) };
    case "/":
      return { ...state, typing: true, filter: "" };
    case key.escape:
      return { ...state, filter: "", scrolled: 0 };
    case "p":
    case " ":
      return { ...state, paused: !state.paused };
    case key.down:
    case "j":
      return { ...state, scrolled: state.scrolled + 1 };
    case key.up:
    case "k":
      return { ...state, scrolled: Math.max(0, state.scrolled - 1) };
    case key.pageDown:
      return { ...state, scrolled: state.scrolled + pageRows };
    case key.pageUp:
      return { ...state, scrolled: Math.max(0, state.scrolled - pageRows) };
    default:
      return state;
  }
}

function shown(state: State, view: number): State {
  return { ...state, view: (view + views.length) % views.length, scrolled: 0 };
}

function sortedBy(state: State, step: number): State {
  const columns = views[state.view]?.columns.length ?? 1;
  return { ...state, sorts: state.sorts.map((sort, i) => (i === state.view ? { column: (sort.column + step + columns) % columns, reversed: false } : sort)) };
}

function typed(state: State, pressedKey: string): State {
  switch (pressedKey) {
    case key.enter:
    case "\n":
      return { ...state, typing: false };
    case key.escape:
      return { ...state, typing: false, filter: "" };
    case key.erase:
    case key.backspace:
      return { ...state, filter: [...state.filter].slice(0, -1).join("") };
    case key.eraseAll:
      return { ...state, filter: "" };
    default:
      if (pressedKey.startsWith(key.escape) || pressedKey < " " || state.filter.length >= filterLengthMax) return state;
      return { ...state, filter: state.filter + pressedKey, scrolled: 0 };
  }
}
