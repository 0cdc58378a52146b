/**
 * Processes that hang (SIGSTOP): they keep their ports, their connections and their files, and say nothing. Nobody is told; the
 * others have to notice. When they wake, they believe that no time has passed.
 */
import { connect } from "@sixfold/client";
import { describe, expect, test } from "vitest";
import { LiveLoad, type LoadOptions } from "./live-load.ts";
import { counted, IMPATIENT, lost, until, withFolder } from "./real-cluster.ts";

const TIMEOUT_MS = 180_000;

const load = (writers: number, workload: LoadOptions["workload"]): LoadOptions => ({
  workload,
  as: "interactive",
  writers,
  sharedPct: workload === "hot" ? 100 : 20,
  clients: 6,
  records: workload === "hot" ? 32 : 400,
});

for (const mode of ["single", "multi"] as const) {
  const writers = mode === "single" ? 1 : 2;

  describe(`processes that hang, ${mode}`, () => {
    test(
      "I7: two segment servers at a time; when they wake they are of use again",
      () =>
        withFolder(async (start) => {
          const { cluster } = await start({ mode, writers, ...IMPATIENT });
          const transfers = await LiveLoad.start(cluster.endpoints, load(writers, "transfer"));
          for (const pair of [
            ["segment-a1", "segment-c2"],
            // Four of six need those that hung first.
            ["segment-b1", "segment-b2"],
          ]) {
            for (const name of pair) cluster.kill(name, "SIGSTOP");
            await transfers.progress(50);
            await lost(cluster, "writer-1", pair);
            await transfers.progress(50);
            for (const name of pair) cluster.kill(name, "SIGCONT");
            await transfers.progress(20);
          }
          expect(await transfers.finish()).toBe("ok");
        }),
      TIMEOUT_MS,
    );
  });
}

describe("a zombie", () => {
  test(
    "I6, I9: a writer that was fenced in its sleep serves nothing stale as fresh, and commits nothing on it",
    () =>
      withFolder(async (start) => {
        const { cluster } = await start(IMPATIENT);
        const counters = await LiveLoad.start(cluster.endpoints, load(2, "hot"));
        // Each of these talks to one writer only, and asks once.
        const once = { retry: { attempts: 1, timeoutMs: 20_000 } };
        const [zombie, other] = await Promise.all(cluster.endpoints.map((url) => connect([url], once)));
        await other!.createTable("zombie");
        await other!.put("zombie", "row", "old");
        await zombie!.get("zombie", "row", { consistency: "cluster" });

        let wake: () => void = () => undefined;
        const awake = new Promise<void>((resolve) => (wake = resolve));
        let read: () => void = () => undefined;
        const isRead = new Promise<void>((resolve) => (read = resolve));
        const sleeper = zombie!.transaction(async (tx) => {
          const row = await tx.get("zombie", "row");
          read();
          await awake;
          tx.put("zombie", "row", `${String(row)}, from the grave`);
        });
        const ending = sleeper.then(
          () => "committed",
          (error: { readonly code: string }) => error.code,
        );
        await isRead;
        cluster.kill("writer-1", "SIGSTOP");
        // The row's page may be claimed by an entry of the sleeper: then this waits for its recovery.
        await until("the other writes", () =>
          other!.put("zombie", "row", "new").then(
            () => true,
            () => false,
          ),
        );
        await until(
          "the sleeper is fenced",
          async () => (await counted(cluster, "writer-2", "writer-suspected")) > 0,
        );
        await counters.progress(50);
        cluster.kill("writer-1", "SIGCONT");
        wake();
        // At once, while it still believes in its stream, and again when it has a new one.
        for (let seen: unknown; seen !== "new";) {
          seen = await zombie!.get("zombie", "row", { consistency: "cluster" }).catch(() => "an error");
          expect(["new", "an error"]).toContain(seen);
        }
        expect(await ending).not.toBe("committed");
        expect(await other!.get("zombie", "row", { consistency: "cluster" })).toBe("new");
        expect(await counters.finish()).toBe("ok");
        await Promise.all([zombie!.close(), other!.close()]);
      }),
    TIMEOUT_MS,
  );
});
