/** From a workload's name to the workload. */
import { Hot } from "./hot.ts";
import { Transfer } from "./transfer.ts";
import type { Workload, WorkloadName, WorkloadOptions } from "./workload.ts";
import { Ycsb } from "./ycsb.ts";

export function makeWorkload(name: WorkloadName, options: WorkloadOptions): Workload {
  switch (name) {
    case "transfer":
      return new Transfer(options);
    case "hot":
      return new Hot(options);
    case "ycsb-a":
    case "ycsb-b":
    case "ycsb-f":
      return new Ycsb(name, options);
  }
}
