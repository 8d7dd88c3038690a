# What the programs on hosts share: this text goes before theirs. Core modules of Debian's perl-base only,
# which has neither Time::HiRes nor JSON.
use strict;
use warnings;
use Errno  ();
use Fcntl  ();
use POSIX  ();
use Socket qw(AF_INET SOCK_STREAM SOCK_DGRAM SOCK_RAW SOL_SOCKET SO_REUSEADDR SO_RCVBUF SO_SNDBUF SO_ERROR
              SOMAXCONN INADDR_ANY IPPROTO_TCP TCP_NODELAY inet_aton inet_ntoa pack_sockaddr_in unpack_sockaddr_in);

my (%read, %write, @timers, $soonest);             # by file number: what to do when it is ready
my @errors = grep { Errno->can($_) } qw(ECONNREFUSED EHOSTUNREACH ENETUNREACH ETIMEDOUT EPERM EACCES
    EADDRINUSE EADDRNOTAVAIL EMSGSIZE ECONNRESET ENOBUFS EINVAL EPIPE EAGAIN ENOMEM ENETDOWN);

sub name { my $n = shift; (grep { Errno->can($_)->() == $n } @errors)[0] // "E$n" }

# Seconds. Where there is no Time::HiRes, clock_gettime by its number; else time in hundredths.
my $coarse = 0;
my $clock = eval { require Time::HiRes; \&Time::HiRes::time } || do {
    my $machine = (POSIX::uname())[4];
    my %number = length pack('l!', 0) == 8
        ? (x86_64 => 228, aarch64 => 113, riscv64 => 113, loongarch64 => 113, ppc64le => 246, s390x => 260)
        : ();
    my ($number, $buffer) = ($number{$machine}, "\0" x 16);
    $coarse = !($number && syscall($number, 1, $buffer) == 0);
    $coarse
        ? sub { open my $f, '<', '/proc/uptime' or return time; (split ' ', <$f>)[0] }
        : sub { syscall $number, 1, $buffer; my ($s, $n) = unpack 'l!l!', $buffer; $s + $n / 1e9 };
};
sub now { $clock->() }
sub after {
    my ($delay, $do) = @_;
    my $at = now() + $delay;
    push @timers, [ $at, $do ];
    $soonest = $at if !defined $soonest or $at < $soonest;
}

sub nonblocking { fcntl $_[0], Fcntl::F_SETFL(), Fcntl::O_NONBLOCK() | fcntl $_[0], Fcntl::F_GETFL(), 0 }

sub forget { my $n = fileno $_[0]; delete $read{$n}; delete $write{$n}; close $_[0] }

sub checksum {
    my $sum = unpack '%32n*', length($_[0]) % 2 ? "$_[0]\0" : $_[0];
    $sum = ($sum >> 16) + ($sum & 0xffff) for 1, 2;
    return ~$sum & 0xffff;
}

# An echo request of $size bytes with its IP header; $body begins with what the sender knows it by.
sub echo_request {
    my ($body, $size) = @_;
    $body = pack('n', $$ & 0xffff) . $body;
    $body .= "\0" x ($size - 24 - length $body);
    return pack('C C n', 8, 0, checksum("\x08\0\0\0$body")) . $body;
}

# Lines of standard input go to $told, whose end ends the program; $look is called again and again while
# $busy says so, and soon after something has happened: it looks at all peers, and packets come by the thousand.
sub run {
    my ($told, $look, $busy) = @_;
    my ($input, $looked) = ('', 0);
    $read{ fileno STDIN } = sub {
        my $got = sysread STDIN, $input, 65536, length $input;
        exit unless $got;
        $told->(split ' ', $1) while $input =~ s/^([^\n]+)\n//;
    };
    while (1) {
        my ($in, $out) = ('', '');
        vec($in, $_, 1) = 1 for keys %read;
        vec($out, $_, 1) = 1 for keys %write;
        my $wait = defined $soonest ? $soonest - now() : 1;
        $wait = 0 if $wait < 0;
        $wait = 0.02 if $wait > 0.02 and $busy->();
        my $ready = select $in, $out, undef, $wait;
        if ($ready > 0) {
            for (keys %write) { $write{$_}->() if vec($out, $_, 1) and $write{$_} }
            for (keys %read)  { $read{$_}->()  if vec($in, $_, 1)  and $read{$_} }
        }
        my $now = now();
        if (defined $soonest and $soonest <= $now) {    # there are thousands, and most turns have none to call
            my @due = grep { $_->[0] <= $now } @timers;
            @timers = grep { $_->[0] > $now } @timers;
            undef $soonest;
            for (@timers) { $soonest = $_->[0] if !defined $soonest or $_->[0] < $soonest }
            $_->[1]->() for @due;
        }
        if ($ready <= 0 or abs($now - $looked) >= 0.02) { $looked = $now; $look->() }
    }
}
