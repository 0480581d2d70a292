import { openFilesystemBlocks } from "#blocks/filesystem/index.ts";
import { blocksContract } from "./blocks.ts";
import { readsNow } from "./reads-now.ts";

blocksContract({ name: "filesystem", open: (directory) => openFilesystemBlocks({ directory }), keeps: true, readsNow });
blocksContract({
  name: "filesystem, two files open at a time",
  open: (directory) => openFilesystemBlocks({ directory, openFilesMax: 2 }),
  keeps: true,
  readsNow,
});
