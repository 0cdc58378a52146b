import type { Clock } from "./clock.ts";
import type { Disk } from "./disk.ts";
import type { Network } from "./network.ts";
import type { PageStore } from "./page-store.ts";

/**
 * Host: all ports of one node together, so that the wiring above is written once for real processes
 * and for simulated ones. A host dies and comes back as a whole: after a restart a new Host with the
 * same name opens the same disks.
 */
export interface Host {
  /** For logs. */
  readonly name: string;
  readonly clock: Clock;
  readonly network: Network;

  /** Opens, or makes, the directory `name` of this host. One at a time per name. */
  openDisk(name: string): Promise<Disk>;

  /** Opens, or makes, the page store `name` of this host. One at a time per name. */
  openPageStore(name: string): Promise<PageStore>;

  /** An unsigned 32-bit number to seed a core's Random with: unpredictable on a real host, from the world's seed in a simulated one. */
  entropy(): number;
}
