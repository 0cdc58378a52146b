import { expect, test } from "vitest";
import { withFolder } from "./real-cluster.ts";

test(
  "a process that is started the moment it was killed runs again, though its end has not been heard of yet",
  () =>
    withFolder(async (start) => {
      const { cluster } = await start({ restart: false, monitor: false });
      const pid = (): number => cluster.nodes.find((node) => node.name === "segment-a1")!.pid;
      const before = pid();
      cluster.kill("segment-a1");
      await cluster.start("segment-a1");
      expect(pid()).toBeGreaterThan(0);
      expect(pid()).not.toBe(before);
    }),
  60_000,
);
