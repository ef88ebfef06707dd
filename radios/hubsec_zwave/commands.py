"""Every command of the pinned server: the role that it takes, its arguments, whom it is for, what its answer holds.

What is not in this table does not pass: no other command, no other argument. It was made from @zwave-js/server
:data:`SERVER_VERSION`, whose own lists of commands, arguments and events a test holds it to. Commands of older schemas,
which that server still knows, are in it as well.
"""

from __future__ import annotations

from typing import Final

from hubsec_zwave.command import Access, Answer, Command, Kind, Scope
from hubsec_zwave.roles import Role

SERVER_VERSION: Final = "3.10.2"
"""The @zwave-js/server that the tables are for."""
MAX_SCHEMA: Final = 50
"""The newest schema that it speaks (its `maxSchemaVersion`)."""


# Arguments that are the same kind in every command that has them.
_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("nodeId", "destinationNodeId", "targetNodeId", "testNodeId"), Kind.NODE),
    **dict.fromkeys(("nodeIDs", "repeaters"), Kind.NODES),
    "priorityRoute": Kind.ROUTE,
    "routes": Kind.ROUTES,
    "association": Kind.TARGET,
    "associations": Kind.TARGETS,
    "dskOrNodeId": Kind.ENTRY,
    **dict.fromkeys(("commandClass", "cc"), Kind.CLASS),
    "methodName": Kind.METHOD,
    "valueId": Kind.VALUE_ID,
    **dict.fromkeys(
        (
            "bitMask channel channelConfig credentialSlot credentialType destinationUserId durationMs endpoint"
            " endpointIndex feature frequency group index length manufacturerId mode notificationType offset parameter"
            " prevValue productId productType reason region rfRegion rounds routeSpeed schemaVersion securityClass"
            " target testFrameCount userId valueFormat valueSize"
        ).split(),
        Kind.INTEGER,
    ),
    **dict.fromkeys(
        "defaultVolume interval limit measured0dBm powerlevel rssi timeout val".split(), Kind.NUMBER
    ),
    **dict.fromkeys(
        (
            "enabled filterSubsets includeNonSecure includePrereleases keepAwake longRange updateCC uppercase"
        ).split(),
        Kind.FLAG,
    ),
    **dict.fromkeys(
        (
            "apiKey applicationName applicationVersion code date defaultTransitionDuration devicePath dsk filename"
            " firmwareFilename firmwareVersion location name qr"
        ).split(),
        Kind.TEXT,
    ),
    **dict.fromkeys("fileFormat firmwareFileFormat format id pin strategy unprovision".split(), Kind.SCALAR),
    **dict.fromkeys("file firmwareFile nvmData".split(), Kind.FILE),
    **dict.fromkeys(
        (
            "additionalUserAgentComponents components config credential filter migrateOptions options scales update"
            " updateInfo"
        ).split(),
        Kind.FIELDS,
    ),
    **dict.fromkeys("args updates".split(), Kind.LIST),
    **dict.fromkeys("buffer data entry enumeration inclusionGrant value".split(), Kind.ANY),
}

COMMANDS: Final[dict[str, Command]] = {}
"""All of them, by their names."""


def _group(
    prefix: str,
    role: Role,
    rows: str,
    *,
    everywhere: str = "",
    judged: bool = False,
    scope: Scope = Scope.NAMED,
    access: Access = Access.PLAIN,
    answer: Answer = Answer.PLAIN,
    **kinds: Kind,
) -> None:
    """Put commands into the table: one a line, with its arguments behind it; those of `everywhere` belong to each."""
    for row in rows.strip().splitlines():
        name, *arguments = row.split()
        full = prefix + name
        if full in COMMANDS:
            raise AssertionError(f"{full} is in the table twice.")
        COMMANDS[full] = Command(
            name=full,
            role=role,
            arguments={one: kinds.get(one) or _KINDS[one] for one in (*everywhere.split(), *arguments)},
            judged=judged,
            scope=scope,
            access=access,
            answer=answer,
        )


# The server itself

_group(
    "",
    Role.OBSERVE,
    """
    initialize schemaVersion additionalUserAgentComponents
    set_api_schema schemaVersion
    get_log_config
    """,
)
_group("", Role.OBSERVE, "start_listening", answer=Answer.NETWORK)
# Lines of a log have what any node said, and what was done to the network.
_group(
    "",
    Role.ADMINISTER,
    """
    update_log_config config
    start_listening_logs filter
    stop_listening_logs
    """,
)

# The driver

_group(
    "driver.",
    Role.OBSERVE,
    """
    get_config
    get_log_config
    is_statistics_enabled
    is_otw_firmware_update_in_progress
    get_supported_cc_version cc nodeId endpointIndex
    get_safe_cc_version cc nodeId endpointIndex
    """,
)
# Home Assistant says at every start that nothing is to be told to the makers of Z-Wave JS, where its user has said so.
_group("driver.", Role.CONTROL, "disable_statistics")
_group(
    "driver.",
    Role.ADMINISTER,
    """
    update_log_config config
    enable_statistics applicationName applicationVersion
    start_listening_logs filter
    stop_listening_logs
    check_for_config_updates
    install_config_update
    set_preferred_scales scales
    enable_error_reporting
    soft_reset
    try_soft_reset
    soft_reset_and_restart
    shutdown
    update_options options
    send_test_frame nodeId powerlevel
    firmware_update_otw filename file fileFormat updateInfo
    enter_bootloader
    leave_bootloader
    update_user_agent components
    enable_frequent_rssi_monitoring durationMs
    disable_frequent_rssi_monitoring
    """,
)
_group("driver.", Role.ADMINISTER, "hard_reset", judged=True)

# The controller: who is on the network

# Without `options` (schema 7 and older) it would start an inclusion by S0.
_group(
    "controller.",
    Role.INCLUDE,
    """
    begin_inclusion options includeNonSecure
    stop_inclusion
    cancel_secure_bootstrap_s2 reason
    grant_security_classes inclusionGrant
    validate_dsk_and_enter_pin pin
    provision_smart_start_node entry
    unprovision_smart_start_node dskOrNodeId
    begin_exclusion options unprovision strategy
    stop_exclusion
    remove_failed_node nodeId
    replace_failed_node nodeId options includeNonSecure
    """,
    judged=True,
    nodeId=Kind.SLOT,
)
_group(
    "controller.",
    Role.INCLUDE,
    """
    get_provisioning_entry dsk dskOrNodeId
    get_provisioning_entries
    """,
    answer=Answer.DSK,
)
_group("controller.", Role.INCLUDE, "is_failed_node nodeId", nodeId=Kind.SLOT)

# The controller: what it knows

_group(
    "controller.",
    Role.OBSERVE,
    """
    get_state
    supports_feature feature
    get_association_groups nodeId endpoint
    get_associations nodeId endpoint
    get_all_association_groups nodeId
    get_all_associations nodeId
    check_association nodeId group association endpoint
    is_association_allowed nodeId group association endpoint
    is_any_ota_firmware_update_in_progress
    get_any_firmware_update_progress
    is_firmware_update_in_progress
    get_priority_return_route_cached nodeId destinationNodeId
    get_priority_return_routes_cached nodeId
    get_priority_suc_return_route_cached nodeId
    get_custom_return_routes_cached nodeId destinationNodeId
    get_custom_suc_return_routes_cached nodeId
    get_supported_rf_regions filterSubsets
    """,
)
_group("controller.", Role.OBSERVE, "get_known_lifeline_routes", answer=Answer.BY_NODE)
# These ask the controller's chip, or the maker of the device database by way of the Internet.
_group(
    "controller.",
    Role.CONTROL,
    """
    get_node_neighbors nodeId
    get_rf_region
    get_powerlevel
    get_max_long_range_powerlevel
    get_long_range_channel
    get_priority_route destinationNodeId
    get_background_rssi
    get_long_range_nodes
    query_supported_rf_regions
    query_rf_region_info region
    get_available_firmware_updates nodeId apiKey includePrereleases rfRegion
    """,
)
_group(
    "controller.",
    Role.CONTROL,
    "get_all_available_firmware_updates apiKey includePrereleases rfRegion",
    answer=Answer.BY_NODE,
)

# The controller: how the network works

_group(
    "controller.",
    Role.ADMINISTER,
    """
    heal_node nodeId
    rebuild_node_routes nodeId
    discover_node_neighbors nodeId
    add_associations nodeId group associations endpoint
    remove_associations nodeId group associations endpoint
    assign_return_routes nodeId destinationNodeId
    delete_return_routes nodeId
    assign_suc_return_routes nodeId
    delete_suc_return_routes nodeId
    assign_priority_return_route nodeId destinationNodeId repeaters routeSpeed
    assign_priority_suc_return_route nodeId repeaters routeSpeed
    assign_custom_return_routes nodeId destinationNodeId routes priorityRoute
    assign_custom_suc_return_routes nodeId routes priorityRoute
    set_priority_route destinationNodeId repeaters routeSpeed
    remove_priority_route destinationNodeId
    begin_ota_firmware_update nodeId update
    firmware_update_ota nodeId updates updateInfo
    firmware_update_otw filename file fileFormat
    stop_healing_network
    stop_rebuilding_routes
    set_rf_region region
    toggle_rf enabled
    set_powerlevel powerlevel measured0dBm
    set_max_long_range_powerlevel limit
    set_long_range_channel channel
    """,
)
# An association that points to a node which is shut out can be taken away.
_group(
    "controller.",
    Role.ADMINISTER,
    """
    remove_node_from_all_assocations nodeId
    remove_node_from_all_associations nodeId
    """,
    nodeId=Kind.SLOT,
)
# They have every node tell its neighbours.
_group(
    "controller.",
    Role.ADMINISTER,
    """
    begin_healing_network
    begin_rebuilding_routes options
    """,
    scope=Scope.EVERYBODY,
)

# The controller: its memory, and networks other than its own

_group(
    "controller.",
    Role.ADMINISTER,
    """
    get_dsk
    get_nvm_id
    backup_nvm_raw
    external_nvm_open
    external_nvm_close
    external_nvm_read_byte offset
    external_nvm_read_buffer offset length
    external_nvm_read_buffer_700 offset length
    external_nvm_open_ext
    external_nvm_close_ext
    external_nvm_read_buffer_ext offset length
    """,
)
_group(
    "controller.",
    Role.ADMINISTER,
    """
    restore_nvm nvmData migrateOptions
    restore_nvm_raw nvmData
    external_nvm_write_byte offset data
    external_nvm_write_buffer offset buffer
    external_nvm_write_buffer_700 offset buffer
    external_nvm_write_buffer_ext offset buffer
    begin_joining_network strategy
    stop_joining_network
    begin_leaving_network
    stop_leaving_network
    """,
    judged=True,
    buffer=Kind.FILE,
    data=Kind.INTEGER,
)

# Nodes

_group(
    "node.",
    Role.OBSERVE,
    """
    get_defined_value_ids
    get_firmware_update_capabilities_cached
    has_security_class securityClass
    get_highest_security_class
    get_endpoint_count
    get_firmware_update_progress
    is_firmware_update_in_progress
    is_health_check_in_progress
    is_link_reliability_check_in_progress
    has_device_config_changed
    get_supported_notification_events
    """,
    everywhere="nodeId",
)
_group(
    "node.",
    Role.OBSERVE,
    """
    get_value valueId
    get_value_metadata valueId
    get_value_timestamp valueId
    """,
    everywhere="nodeId",
    access=Access.READ,
)
_group("node.", Role.OBSERVE, "get_state", everywhere="nodeId", answer=Answer.NODE)
# The driver takes secret values out of it, and leaves the DSK in.
_group("node.", Role.CONTROL, "create_dump", everywhere="nodeId", answer=Answer.DSK)
_group(
    "node.",
    Role.CONTROL,
    """
    refresh_info options
    refresh_values
    ping
    get_firmware_update_capabilities
    check_lifeline_health rounds
    check_route_health targetNodeId rounds
    abort_health_check
    check_link_reliability mode interval rounds
    abort_link_reliability_check
    test_powerlevel testNodeId powerlevel testFrameCount
    interview
    wait_for_wakeup
    set_name name updateCC
    set_location location updateCC
    set_keep_awake keepAwake
    set_date_and_time date
    get_date_and_time
    set_default_volume defaultVolume
    set_default_transition_duration defaultTransitionDuration
    manually_idle_notification_value valueId notificationType prevValue endpointIndex
    set_raw_config_parameter_value parameter bitMask value valueSize valueFormat
    get_raw_config_parameter_value parameter bitMask
    """,
    everywhere="nodeId",
)
_group(
    "node.",
    Role.CONTROL,
    """
    set_value valueId value options
    poll_value valueId
    refresh_cc_values commandClass
    interview_cc commandClass
    """,
    everywhere="nodeId",
    access=Access.WRITE,
)
_group(
    "node.",
    Role.ADMINISTER,
    """
    begin_firmware_update firmwareFilename firmwareFile firmwareFileFormat target
    update_firmware updates
    abort_firmware_update
    """,
    everywhere="nodeId",
)

# Endpoints

_group(
    "endpoint.",
    Role.OBSERVE,
    """
    supports_cc_api commandClass
    supports_cc commandClass
    controls_cc commandClass
    is_cc_secure commandClass
    get_cc_version commandClass
    get_ccs
    may_support_basic_cc
    was_cc_removed_via_config commandClass
    """,
    everywhere="nodeId endpoint",
)
_group(
    "endpoint.",
    Role.OBSERVE,
    """
    get_node_unsafe
    try_get_node
    """,
    everywhere="nodeId endpoint",
    answer=Answer.NODE,
)
_group(
    "endpoint.",
    Role.CONTROL,
    """
    set_raw_config_parameter_value parameter bitMask value valueSize valueFormat
    get_raw_config_parameter_value parameter bitMask
    """,
    everywhere="nodeId endpoint",
)
_group(
    "endpoint.",
    Role.CONTROL,
    "invoke_cc_api commandClass methodName args",
    everywhere="nodeId endpoint",
    access=Access.CALL,
)

# Door codes: whoever may open the lock may see and set them; the code above them is the administrator's.

_group(
    "endpoint.access_control.",
    Role.OBSERVE,
    """
    is_supported
    get_user_capabilities_cached
    get_credential_capabilities_cached
    """,
    everywhere="nodeId endpoint",
)
_group(
    "endpoint.access_control.",
    Role.CONTROL,
    """
    get_user userId
    get_user_cached userId
    get_users
    get_users_cached
    set_user userId options
    add_user userId options credential
    delete_user userId
    delete_all_users
    get_credential credentialType credentialSlot
    get_credential_cached credentialType credentialSlot
    get_credentials userId
    get_credentials_cached userId
    get_credentials_by_type credentialType
    get_credentials_by_type_cached credentialType
    get_all_credentials
    get_all_credentials_cached
    assign_credential credentialType credentialSlot destinationUserId
    set_credential userId credentialType credentialSlot data
    delete_credential userId credentialType credentialSlot
    start_credential_learn userId credentialType credentialSlot timeout
    cancel_credential_learn
    """,
    everywhere="nodeId endpoint",
)
_group(
    "endpoint.access_control.",
    Role.ADMINISTER,
    """
    get_admin_code
    set_admin_code code
    """,
    everywhere="nodeId endpoint",
)

# Several nodes at once

for _prefix, _who, _scope in (
    ("multicast_group.", "nodeIDs", Scope.NAMED),
    ("broadcast_node.", "longRange", Scope.EVERYBODY),
):
    _group(
        _prefix,
        Role.OBSERVE,
        """
        get_endpoint_count
        supports_cc index commandClass
        get_cc_version index commandClass
        supports_cc_api index commandClass
        """,
        everywhere=_who,
        scope=_scope,
    )
    _group(
        _prefix,
        Role.CONTROL,
        "set_value valueId value options",
        everywhere=_who,
        scope=_scope,
        access=Access.WRITE,
    )
    _group(
        _prefix,
        Role.CONTROL,
        "invoke_cc_api index commandClass methodName args",
        everywhere=_who,
        scope=_scope,
        access=Access.CALL,
    )
# The server's list has it for broadcast_node too, by this very name, and so with an argument more.
_group("multicast_group.", Role.OBSERVE, "get_defined_value_ids longRange", everywhere="nodeIDs")

# What needs no network

_group(
    "utils.",
    Role.OBSERVE,
    """
    num2hex val uppercase
    format_id id
    buffer2hex buffer uppercase
    get_enum_member_name enumeration value
    rssi_to_string rssi
    """,
)
# Their answers are made of what the client itself has sent.
_group(
    "utils.",
    Role.INCLUDE,
    """
    parse_qr_code_string qr
    try_parse_dsk_from_qr_code_string qr
    """,
)
_group(
    "utils.",
    Role.ADMINISTER,
    """
    guess_firmware_file_format filename file
    try_unzip_firmware_file file
    extract_firmware file format
    """,
)
_group(
    "config_manager.",
    Role.OBSERVE,
    """
    lookup_manufacturer manufacturerId
    lookup_device manufacturerId productType productId firmwareVersion
    lookup_device_preserve_conditions manufacturerId productType productId firmwareVersion
    get_index
    get_fulltext_index
    manufacturers
    config_version
    """,
)
_group(
    "config_manager.",
    Role.ADMINISTER,
    """
    load_manufacturers
    load_device_index
    load_fulltext_device_index
    load_all
    """,
)

# A sniffer has everybody's frames, and opens them with the network's keys.

_group(
    "zniffer.",
    Role.ADMINISTER,
    """
    init devicePath options
    start
    stop
    destroy
    clear_captured_frames
    supported_frequencies
    current_frequency
    set_frequency frequency
    get_lr_regions
    get_current_lr_channel_config
    get_supported_lr_channel_configs
    set_lr_channel_config channelConfig
    load_capture_from_buffer data
    """,
    data=Kind.FILE,
)
_group(
    "zniffer.",
    Role.ADMINISTER,
    """
    captured_frames
    get_capture_as_zlf_buffer
    """,
    scope=Scope.EVERYBODY,
)
