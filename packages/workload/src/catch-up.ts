/**
 * Lets a connection see what another one has loaded: sessions see their own writes, others' only after replication
 * (DESIGN section 8), so one read at cluster consistency comes first.
 */
import type { WorkloadDatabase } from "./database-face.ts";

export async function catchUp(db: WorkloadDatabase, table: string): Promise<void> {
  await db.transaction((tx) => tx.get(table, ["catch-up"]), { consistency: "cluster" });
}
