import { openSync } from "node:fs";
import { dirname } from "node:path";

export const logFileMode = 0o640;

/** Opens a log file to append to, made where there is none; throws what is wrong with it and what to do. */
export function openLogFile(path: string): number {
  try {
    return openSync(path, "a", logFileMode);
  } catch (error) {
    throw new Error(`the log file ${path} (--log-file, logging.output) can't be opened: ${whyNot(path, error as NodeJS.ErrnoException)}`);
  }
}

/** What is wrong with a path, and what to do about it. */
function whyNot(path: string, { code, message }: NodeJS.ErrnoException): string {
  const directory = dirname(path);
  switch (code) {
    case "ENOENT":
      return `there is no directory ${directory}. Make it, so that the user the server runs as may write there, or name another file`;
    case "ENOTDIR":
      return `something in ${directory} is no directory. Name another file`;
    case "EISDIR":
      return "it is a directory. Name a file in it";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return `the user the server runs as may not write there (${code}). Let that user write to ${directory}, or name another file`;
    default:
      return `${message}. Put that right, or name another file`;
  }
}
