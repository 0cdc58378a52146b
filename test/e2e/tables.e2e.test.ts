/**
 * Tables made, filled, scanned and dropped by all masters, beside transfers between rows, on real processes of which some are killed: what
 * clients were told holds (I1 to I4), and in the end every page is in a table or free (`withFolder` looks).
 */
import { describe, expect, test } from "vitest";
import { LiveLoad, type LoadOptions } from "./live-load.ts";
import { withFolder } from "./real-cluster.ts";

const TIMEOUT_MS = 240_000;
const WRITERS = 3;
const BOTH = { as: "interactive", writers: WRITERS, clients: 6 } as const;
const TABLES: LoadOptions = { ...BOTH, workload: "tables", sharedPct: 40, records: 10, table: "ddl" };
const TRANSFERS: LoadOptions = {
  ...BOTH,
  workload: "transfer",
  sharedPct: 20,
  records: 300,
  table: "accounts",
};

describe("tables come and go", () => {
  test(
    "while all masters write, one of them is killed, and a segment server",
    () =>
      withFolder(async (start) => {
        const { cluster } = await start({ writers: WRITERS });
        const tables = await LiveLoad.start(cluster.endpoints, TABLES);
        const transfers = await LiveLoad.start(cluster.endpoints, TRANSFERS);
        await tables.progress(150);
        for (const victim of ["writer-2", "segment-b1"]) {
          cluster.kill(victim);
          await tables.progress(150);
        }
        expect([await tables.finish(), await transfers.finish()]).toEqual(["ok", "ok"]);
        expect(transfers.committed).toBeGreaterThan(0);
      }),
    TIMEOUT_MS,
  );
});
