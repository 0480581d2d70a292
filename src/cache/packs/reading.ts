import fs from "node:fs";

/** Fills `target` with the file's bytes from `offset` on. */
export async function readFully(fd: number, offset: number, target: Uint8Array): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    const got = await readSome(fd, target, done, offset + done);
    if (got === 0) throw new Error(`a pack ends at ${offset + done}, before ${offset + target.byteLength}`);
    done += got;
  }
}

function readSome(fd: number, target: Uint8Array, at: number, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.read(fd, target, at, target.byteLength - at, position, (error, got) => (error ? reject(error) : resolve(got))),
  );
}

/** The same at once. */
export function readFullySync(fd: number, offset: number, target: Uint8Array): void {
  let done = 0;
  while (done < target.byteLength) {
    const got = fs.readSync(fd, target, done, target.byteLength - done, offset + done);
    if (got === 0) throw new Error(`a pack ends at ${offset + done}, before ${offset + target.byteLength}`);
    done += got;
  }
}
