/** From a workload's name to the workload. */
import { Append } from "./append.ts";
import { Bank } from "./bank.ts";
import { Churn } from "./churn.ts";
import { Cycle } from "./cycle.ts";
import { Hot } from "./hot.ts";
import { LongValues } from "./long-values.ts";
import { Outcomes } from "./outcomes.ts";
import { Register } from "./register.ts";
import { Tables } from "./tables.ts";
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
    case "append":
      return new Append(options);
    case "register":
      return new Register(options);
    case "bank":
      return new Bank(options);
    case "cycle":
      return new Cycle(options);
    case "churn":
      return new Churn(options);
    case "long-values":
      return new LongValues(options);
    case "tables":
      return new Tables(options);
    case "outcomes":
      return new Outcomes(options);
  }
}
