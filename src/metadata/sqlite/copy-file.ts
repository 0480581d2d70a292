import fs from "node:fs";
import { open } from "node:fs/promises";

const pieceBytes = 1 << 20;

/** Copies what a descriptor has into a new file; gives the bytes. Nothing but the descriptor is used: see Checkpointer. */
export async function copyFile(fd: number, path: string): Promise<number> {
  const to = await open(path, "w", 0o600);
  try {
    const piece = new Uint8Array(pieceBytes);
    for (let at = 0; ; ) {
      const got = await readSome(fd, piece, at);
      if (got === 0) return at;
      for (let done = 0; done < got; ) done += (await to.write(piece, done, got - done, at + done)).bytesWritten;
      at += got;
    }
  } finally {
    await to.close();
  }
}

function readSome(fd: number, piece: Uint8Array, at: number): Promise<number> {
  return new Promise((resolve, reject) => fs.read(fd, piece, 0, piece.length, at, (error, got) => (error ? reject(error) : resolve(got))));
}
