/** Every kind of fault, by name. */
import type { FaultKind } from "./fault.ts";
import { CLOCK_FAULTS } from "./faults/clock-faults.ts";
import { DISK_FAULTS } from "./faults/disk-faults.ts";
import { MODE_FAULTS } from "./faults/mode-faults.ts";
import { NETWORK_FAULTS } from "./faults/network-faults.ts";
import { PROCESS_FAULTS } from "./faults/process-faults.ts";
import { TOPOLOGY_FAULTS } from "./faults/topology-faults.ts";

export const FAULT_KINDS: readonly FaultKind[] = [
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...DISK_FAULTS,
  ...CLOCK_FAULTS,
  ...TOPOLOGY_FAULTS,
  ...MODE_FAULTS,
];

export const FAULT_NAMES: readonly string[] = FAULT_KINDS.map((kind) => kind.name);

const byName = new Map(FAULT_KINDS.map((kind) => [kind.name, kind]));

/** The kind of this name; there must be one. */
export function faultKind(name: string): FaultKind {
  const kind = byName.get(name);
  if (kind === undefined) throw new RangeError(`no fault is named ${name}`);
  return kind;
}
