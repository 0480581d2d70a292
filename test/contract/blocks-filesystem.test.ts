import fs from "node:fs";
import os from "node:os";
import { openFilesystemBlocks } from "#blocks/filesystem/index.ts";
import { blocksContract } from "./blocks.ts";

/** ext4, XFS, btrfs: file systems that are known to take RWF_NOWAIT; on others the ability answers false. */
const readNowTypes = [0xef53, 0x58465342, 0x9123683e];
const readsNow = process.platform === "linux" && readNowTypes.includes(fs.statfsSync(os.tmpdir()).type);

blocksContract({ name: "filesystem", open: (directory) => openFilesystemBlocks({ directory }), keeps: true, readsNow });
blocksContract({
  name: "filesystem, two files open at a time",
  open: (directory) => openFilesystemBlocks({ directory, openFilesMax: 2 }),
  keeps: true,
  readsNow,
});
