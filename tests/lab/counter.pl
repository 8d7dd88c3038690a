# Counts up in Redis and notes what the server acknowledges. Core modules of Debian's perl-base only.
# Arguments: the server's name; the key; seconds between two increments; "kept" for one connection as long as that
# lives, or "anew" for one an increment, which looks the name up anew, too.
# Prints a line for each thing that happens. TIME is seconds since 1970:
#   TIME VALUE   an increment was acknowledged
#   TIME +       a connection stands
#   TIME ! WHY   an increment or a connection was given up: it may have been made, nobody knows
use strict;
use warnings;
use POSIX  ();
use Socket qw(AF_INET SOCK_STREAM SOL_SOCKET SO_RCVTIMEO SO_SNDTIMEO inet_aton pack_sockaddr_in);

my ($name, $key, $pause, $way) = @ARGV;
my $kept = $way eq 'kept';
# A connection that is to be kept outlasts what the others call a failure.
my $patience = $kept ? 30 : 2;
# perl-base has no Time::HiRes.
my %number = (x86_64 => 228, aarch64 => 113);
my $clock_gettime = $number{ (POSIX::uname())[4] } or die "no clock here\n";
$| = 1;
$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = sub { exit };

sub note {
    my $buffer = "\0" x 16;
    syscall $clock_gettime, 0, $buffer;
    my ($seconds, $nanoseconds) = unpack 'l!l!', $buffer;
    printf "%d.%06d %s\n", $seconds, $nanoseconds / 1000, $_[0];
}

sub connected {
    my $address = inet_aton($name) or die "no address of $name\n";
    socket my $socket, AF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
    setsockopt $socket, SOL_SOCKET, $_, pack 'l!l!', $patience, 0 for SO_RCVTIMEO, SO_SNDTIMEO;
    connect $socket, pack_sockaddr_in(6379, $address) or die "connect: $!\n";
    note('+');
    return $socket;
}

sub incremented {
    my ($socket) = @_;
    syswrite $socket, "INCR $key\r\n" or die "write: $!\n";
    my $reply = '';
    while ($reply !~ /\n/) {
        my $got = sysread $socket, $reply, 256, length $reply;
        die "read: $!\n" unless defined $got;
        die "closed by the server\n" unless $got;
    }
    $reply =~ /^:([0-9]+)\r\n\z/ or die "$reply\n";
    return $1;
}

my $socket;
while (1) {
    eval {
        $socket = connected() unless $kept and $socket;
        note(incremented($socket));
        1;
    } or do {
        undef $socket;
        note('! ' . join ' ', split ' ', $@);
    };
    select undef, undef, undef, $pause;
}
