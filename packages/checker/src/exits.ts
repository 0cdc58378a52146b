/** Where anti-dependencies leave their reader in each of the views that edges.ts lists. */
import type { History } from "./history.ts";

export type Exits = (reader: number) => "snapshot" | "commit" | "nowhere";

export const nowhere: Exits = () => "nowhere";
export const snapshots: Exits = () => "snapshot";
export const serial: Exits = () => "commit";

/**
 * What was promised. A `snapshot` transaction at `session` consistency has no place for its snapshot in an order that all
 * agree on, only a set of transactions that it sees: its anti-dependencies count one at a time (parallel-snapshot.ts).
 */
export function promised(history: History): Exits {
  return (reader) => {
    const { isolation, consistency } = history[reader]!;
    if (isolation === "serializable") return "commit";
    return consistency === "cluster" ? "snapshot" : "nowhere";
  };
}
