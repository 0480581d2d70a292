import { expect, test } from "bun:test";
import { collision, placesOf } from "#app/share/places.ts";
import { configFor, sharePlan, storePlan } from "../kit.ts";

const config = configFor("/srv/d");

test("the built-in stores lie in the share's own directory of the data directory", () => {
  expect(placesOf(config, sharePlan("/export"))).toMatchObject({ database: "/srv/d/shares/export/metadata.db", content: "/srv/d/shares/export", blocks: "/srv/d/shares/export/blocks" });
  expect(placesOf(config, sharePlan("/a/b"))).toMatchObject({ database: "/srv/d/shares/a%2Fb/metadata.db" });
});

test("in a store with a path each share has a directory of its own, and an imported share its exact places", () => {
  const metadata = storePlan("metadata", "sqlite", { name: "fast", config: { path: "/mnt/fast" } });
  const blocks = storePlan("block", "filesystem", { name: "big", config: { path: "/mnt/big" } });
  expect(placesOf(config, sharePlan("/p q", { metadata, blocks }))).toMatchObject({ database: "/mnt/fast/p%20q/metadata.db", content: "/srv/d/shares/p%20q", blocks: "/mnt/big/p%20q" });
  expect(placesOf(config, sharePlan("/x", { metadataPath: "/m.db", blocksPath: "/b" }))).toMatchObject({ database: "/m.db", blocks: "/b" });
});

test("a store that was added without a path has one in the data directory", () => {
  const blocks = storePlan("block", "filesystem", { name: "more" });
  expect(placesOf(config, sharePlan("/x", { blocks })).blocks).toBe("/srv/d/stores/more/x");
});

test("what forgets lies apart from what lasts, and cache.path holds the log", () => {
  const memory = storePlan("metadata", "memory");
  expect(placesOf(config, sharePlan("/x", { metadata: memory }))).toMatchObject({ content: "/srv/d/shares/x/ephemeral", blocks: "/srv/d/shares/x/ephemeral/blocks" });
  expect(placesOf(configFor("/srv/d", { "cache.path": "/nvme" }), sharePlan("/x")).content).toBe("/nvme/x");
});

test("two shares never write to one place", () => {
  const at = (name: string, changes: Parameters<typeof sharePlan>[1] = {}) => placesOf(config, sharePlan(name, changes));
  expect(collision(at("/a"), at("/b"))).toBeNull();
  expect(collision(at("/a", { metadataPath: "/m.db" }), at("/b", { metadataPath: "/m.db" }))).toBe("/m.db");
  expect(collision(at("/a", { blocksPath: "/blocks" }), at("/b", { blocksPath: "/blocks" }))).toBe("/blocks");
  expect(collision(at("/a", { blocksPath: "/blocks" }), at("/b", { blocksPath: "/blocks/objects/b" }))).toBe("/blocks/objects/b");
  expect(collision(at("/a", { metadataPath: "/blocks/staging/m.db" }), at("/b", { blocksPath: "/blocks" }))).toBe("/blocks/staging/m.db");
  expect(collision(at("/a", { blocksPath: "/blocks" }), at("/b", { blocksPath: "/blocks/b" }))).toBeNull();
});
