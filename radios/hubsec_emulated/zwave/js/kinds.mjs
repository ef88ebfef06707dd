// What each kind of device is: its device class, its command class, its reports. `key` is where the mock keeps its
// state, `properties` where the driver does.
import {
  BinarySensorCCReport,
  BinarySwitchCCReport,
  CommandClasses,
  DoorLockCCOperationReport,
  DoorLockMode,
  Duration,
  MultilevelSwitchCCReport,
} from "./lib.mjs";

const DOOR = 0x0a; // sensor type "Door/Window" of the Binary Sensor command class
const OPERABLE = [true, true, true, true];
const INSTANTLY = () => new Duration(0, "seconds");

export const KINDS = {
  lamp: {
    generic: 0x11, // Multilevel Switch
    specific: 0x01, // Multilevel Power Switch
    commandClass: CommandClasses["Multilevel Switch"],
    version: 4,
    initial: 0,
    key: "MultilevelSwitch_currentValue",
    properties: ["currentValue", "targetValue"],
    report: (nodeId, value) =>
      new MultilevelSwitchCCReport({ nodeId, currentValue: value, targetValue: value, duration: INSTANTLY() }),
  },
  plug: {
    generic: 0x10, // Binary Switch
    specific: 0x01, // Binary Power Switch
    commandClass: CommandClasses["Binary Switch"],
    version: 1,
    initial: false,
    key: "BinarySwitch_currentValue",
    properties: ["currentValue", "targetValue"],
    report: (nodeId, value) => new BinarySwitchCCReport({ nodeId, currentValue: value }),
  },
  sensor: {
    generic: 0x20, // Binary Sensor
    specific: 0x01, // Routing Binary Sensor
    commandClass: CommandClasses["Binary Sensor"],
    version: 2,
    initial: false,
    key: "BinarySensor_value",
    properties: ["Door/Window"],
    capabilities: (node) => ({
      supportedSensorTypes: [DOOR],
      getValue: () => node().state.get("BinarySensor_value") ?? false,
    }),
    report: (nodeId, value) => new BinarySensorCCReport({ nodeId, type: DOOR, value }),
  },
  lock: {
    generic: 0x40, // Entry Control
    specific: 0x03, // Secure Keypad Door Lock
    commandClass: CommandClasses["Door Lock"],
    version: 4,
    secureOnly: true,
    initial: DoorLockMode.Secured,
    key: "DoorLock_currentMode",
    properties: ["currentMode", "targetMode"],
    report: (nodeId, mode) =>
      new DoorLockCCOperationReport({
        nodeId,
        currentMode: mode,
        targetMode: mode,
        outsideHandlesCanOpenDoor: OPERABLE,
        insideHandlesCanOpenDoor: OPERABLE,
        duration: INSTANTLY(),
      }),
  },
};

// The command classes of a device, as the mocks want them. `node` gives the node that they end up in.
export function commandClasses(kind, security, node) {
  const secure = security !== "none";
  const found = [
    { ccId: CommandClasses["Z-Wave Plus Info"], version: 2 },
    { ccId: CommandClasses.Version, version: 2, secure },
    { ccId: CommandClasses["Manufacturer Specific"], version: 1, secure },
    { ccId: CommandClasses["Device Reset Locally"], version: 1, secure },
    { ccId: CommandClasses.Powerlevel, version: 1, secure },
    { ccId: CommandClasses.Supervision, version: 1 },
    { ccId: kind.commandClass, version: kind.version, secure, ...kind.capabilities?.(node) },
  ];
  if (security === "s2" || security === "s0-requesting") found.push({ ccId: CommandClasses["Security 2"], version: 1 });
  if (security === "s0" || security === "s0-requesting") found.push({ ccId: CommandClasses.Security, version: 1 });
  return found.map((info) => ({ isSupported: true, isControlled: false, secure: false, ...info }));
}
