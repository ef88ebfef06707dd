// What a server that included these nodes long ago has kept of them (the driver's cache, format 2): who they are, what
// they hold and can do. Without it the driver would ask every node everything, half a second each.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CommandClasses, SecurityClass } from "./lib.mjs";

const COMPLETE = "Complete";
const CLASSES = ["S2_AccessControl", "S2_Authenticated", "S2_Unauthenticated", "S0_Legacy"];
const MANUFACTURER = CommandClasses["Manufacturer Specific"];
const PLUS = CommandClasses["Z-Wave Plus Info"];

export function writeCache(folder, homeId, devices) {
  const network = [line("cacheFormat", 2), ...devices.flatMap(networkLines)];
  const values = devices.flatMap(valueLines);
  mkdirSync(folder, { recursive: true });
  const name = homeId.toString(16).padStart(8, "0");
  writeFileSync(path.join(folder, `${name}.jsonl`), `${network.join("\n")}\n`);
  writeFileSync(path.join(folder, `${name}.values.jsonl`), `${values.join("\n")}\n`);
}

const line = (k, v, more) => JSON.stringify({ k, v, ...more });

function networkLines({ node, keysHeld, dsk }) {
  const { capabilities } = node;
  const own = {
    isListening: capabilities.isListening,
    isFrequentListening: capabilities.isFrequentListening,
    isRouting: capabilities.isRouting,
    supportedDataRates: capabilities.supportedDataRates,
    protocolVersion: capabilities.protocolVersion,
    nodeType: "End Node",
    supportsSecurity: capabilities.supportsSecurity,
    supportsBeaming: capabilities.supportsBeaming,
    deviceClass: {
      basic: capabilities.basicDeviceClass,
      generic: capabilities.genericDeviceClass,
      specific: capabilities.specificDeviceClass,
    },
    hasSUCReturnRoute: true,
    interviewStage: COMPLETE,
    bootstrapped: true,
    ...(dsk && { dsk }),
  };
  const lines = Object.entries(own).map(([key, value]) => line(`node.${node.id}.${key}`, value));
  for (const name of CLASSES) {
    lines.push(line(`node.${node.id}.securityClasses.${name}`, keysHeld.has(SecurityClass[name])));
  }
  for (const [ccId, { isSupported, isControlled, secure, version }] of node.implementedCCs) {
    if (ccId === CommandClasses.Basic) continue; // supported by all, and asked for by none that has a better one
    const always = ccId === CommandClasses["Security 2"];
    const info = { isSupported, isControlled, secure: secure || always, version };
    lines.push(line(`node.${node.id}.endpoint.0.commandClass.0x${ccId.toString(16).padStart(2, "0")}`, info));
  }
  return lines;
}

function valueLines({ node, kind, state }) {
  const value = (commandClass, property, v) =>
    line(JSON.stringify({ nodeId: node.id, commandClass, endpoint: 0, property }), v, { ts: Date.now() });
  return [
    ...[...node.implementedCCs.keys()].map((ccId) => value(ccId, "interviewComplete", true)),
    value(MANUFACTURER, "manufacturerId", node.capabilities.manufacturerId),
    value(MANUFACTURER, "productType", node.capabilities.productType),
    value(MANUFACTURER, "productId", node.capabilities.productId),
    value(PLUS, "zwavePlusVersion", 2),
    value(PLUS, "nodeType", 0),
    value(PLUS, "roleType", 5),
    ...kind.properties.map((property) => value(kind.commandClass, property, state)),
  ];
}
