#!/bin/sh
# Postfix with a configuration of its own, in a folder of its own, on the loopback interface: nothing of
# the system's instance is read or written. Stays in the foreground. Needs root, as Postfix does.
#
#   sh tests/peers/postfix.sh FOLDER PORT CERT KEY
#
# It takes mail for anybody at example.org, into the Maildir FOLDER/mail/box, offers STARTTLS, and
# sends nothing anywhere: mail for other domains is refused.
set -eu
# Where Debian has postconf.
PATH=$PATH:/usr/sbin
folder=$1
port=$2
mkdir -p "$folder/etc" "$folder/queue" "$folder/data" "$folder/mail"
chown postfix "$folder/data" "$folder/mail"

cat >"$folder/etc/main.cf" <<END
compatibility_level = 3.6
queue_directory = $folder/queue
data_directory = $folder/data
maillog_file = $folder/log
maillog_file_prefixes = $folder
myhostname = localhost
inet_interfaces = loopback-only
mynetworks_style = host
# No question leaves this machine, and no mail.
disable_dns_lookups = yes
smtpd_peername_lookup = no
default_transport = error:this machine relays nothing
relay_transport = error:this machine relays nothing
smtpd_relay_restrictions = reject_unauth_destination
mydestination =
alias_maps =
alias_database =
virtual_mailbox_domains = example.org
virtual_mailbox_base = $folder/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:$(id -u postfix)
virtual_gid_maps = static:$(id -g postfix)
virtual_minimum_uid = 1
smtpd_tls_security_level = may
smtpd_tls_cert_file = $3
smtpd_tls_key_file = $4
END

# service type private unpriv chroot wakeup maxproc command
cat >"$folder/etc/master.cf" <<END
127.0.0.1:$port inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
END

MAIL_CONFIG=$folder/etc
export MAIL_CONFIG
# Makes the queue's folders. Then the master itself, not `postfix start`, which would leave it behind in
# the background.
"$(postconf -dh command_directory)/postfix" check
exec "$(postconf -dh daemon_directory)/master" -d
